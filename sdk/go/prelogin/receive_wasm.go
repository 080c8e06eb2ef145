package prelogin

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_pre_login"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"

	"tidegate/hook/internal/wit/types"
)

func receive(attempt *bindings.LoginAttempt, account types.Option[*bindings.Account]) types.Result[verdicts.PreLoginVerdict, bindings.Failure] {
	defer hook.EndCall()
	// Nil if the user is unknown.
	var known hook.Account
	if handle, present := account.Get(); present {
		known = hook.KeepAccount(handle)
	}
	verdict, err := handler(hook.KeepLoginAttempt(attempt), known)
	if err != nil {
		return types.Err[verdicts.PreLoginVerdict](hook.FailureOf(err))
	}
	return types.Ok[verdicts.PreLoginVerdict, bindings.Failure](answer(verdict))
}

func answer(verdict Verdict) verdicts.PreLoginVerdict {
	switch verdict.Kind {
	case LeftAlone:
		return verdicts.MakePreLoginVerdictUnchanged()
	case Replaced:
		return verdicts.MakePreLoginVerdictReplace(hook.GiveDraft(verdict.Draft))
	case Denied:
		return verdicts.MakePreLoginVerdictDeny(hook.DenialOf(verdict.Denial))
	}
	panic("a verdict of no kind")
}
