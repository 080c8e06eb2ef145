package checkpassword

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_check_password"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"

	"tidegate/hook/internal/wit/types"
)

func receive(attempt *bindings.LoginAttempt) types.Result[verdicts.PasswordVerdict, bindings.Failure] {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepLoginAttempt(attempt))
	if err != nil {
		return types.Err[verdicts.PasswordVerdict](hook.FailureOf(err))
	}
	return types.Ok[verdicts.PasswordVerdict, bindings.Failure](answer(verdict))
}

func answer(verdict Verdict) verdicts.PasswordVerdict {
	switch verdict.Kind {
	case Deferred:
		return verdicts.MakePasswordVerdictDefer()
	case Accepted:
		return verdicts.MakePasswordVerdictAccept()
	case VerifiedByServer:
		return verdicts.MakePasswordVerdictVerify(verdict.Password)
	case Denied:
		return verdicts.MakePasswordVerdictDeny(hook.DenialOf(verdict.Denial))
	}
	panic("a verdict of no kind")
}
