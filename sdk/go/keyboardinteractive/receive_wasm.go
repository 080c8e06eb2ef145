package keyboardinteractive

import (
	"tidegate/hook"
	conversations "tidegate/hook/internal/bindings/tidegate_hooks_conversations"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_keyboard_interactive"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(attempt *bindings.LoginAttempt, talk *conversations.Conversation) types.Result[verdicts.InteractiveVerdict, bindings.Failure] {
	defer hook.EndCall()
	defer talk.Drop()
	verdict, err := handler(hook.KeepLoginAttempt(attempt), conversation{talk})
	if err != nil {
		return types.Err[verdicts.InteractiveVerdict](hook.FailureOf(err))
	}
	return types.Ok[verdicts.InteractiveVerdict, bindings.Failure](answer(verdict))
}

func answer(verdict Verdict) verdicts.InteractiveVerdict {
	switch verdict.Kind {
	case Deferred:
		return verdicts.MakeInteractiveVerdictDefer()
	case Accepted:
		return verdicts.MakeInteractiveVerdictAccept(draftOf(verdict))
	case Rejected:
		return verdicts.MakeInteractiveVerdictReject(hook.DenialOf(verdict.Denial))
	}
	panic("a verdict of no kind")
}

func draftOf(verdict Verdict) types.Option[*bindings.AccountDraft] {
	if verdict.Draft == nil {
		return types.None[*bindings.AccountDraft]()
	}
	return types.Some(hook.GiveDraft(verdict.Draft))
}
