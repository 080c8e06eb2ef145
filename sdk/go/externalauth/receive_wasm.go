package externalauth

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_external_auth"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"

	"tidegate/hook/internal/wit/types"
)

func receive(attempt *bindings.LoginAttempt) types.Result[verdicts.AuthVerdict, bindings.Failure] {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepLoginAttempt(attempt))
	if err != nil {
		return types.Err[verdicts.AuthVerdict](hook.FailureOf(err))
	}
	return types.Ok[verdicts.AuthVerdict, bindings.Failure](answer(verdict))
}

func answer(verdict Verdict) verdicts.AuthVerdict {
	switch verdict.Kind {
	case Deferred:
		return verdicts.MakeAuthVerdictDefer()
	case Accepted:
		return verdicts.MakeAuthVerdictAccept(draftOf(verdict))
	case VerifiedByServer:
		return verdicts.MakeAuthVerdictVerifyStored(optional(verdict.Password, verdict.Password != ""))
	case Rejected:
		return verdicts.MakeAuthVerdictReject(hook.DenialOf(verdict.Denial))
	}
	panic("a verdict of no kind")
}

func optional[T any](value T, present bool) types.Option[T] {
	if present {
		return types.Some(value)
	}
	return types.None[T]()
}

func draftOf(verdict Verdict) types.Option[*bindings.AccountDraft] {
	if verdict.Draft == nil {
		return types.None[*bindings.AccountDraft]()
	}
	return types.Some(hook.GiveDraft(verdict.Draft))
}
