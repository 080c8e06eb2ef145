package loginpre

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_login_pre"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

type answer = types.Result[verdicts.LoginPreVerdict, bindings.Failure]

func receive(attempt *bindings.LoginAttempt) answer {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepLoginAttempt(attempt))
	switch {
	case err != nil:
		return types.Err[verdicts.LoginPreVerdict](hook.FailureOf(err))
	case verdict.Denied:
		return types.Ok[verdicts.LoginPreVerdict, bindings.Failure](verdicts.MakeLoginPreVerdictDeny(hook.DenialOf(verdict.Denial)))
	default:
		return types.Ok[verdicts.LoginPreVerdict, bindings.Failure](verdicts.MakeLoginPreVerdictAllow())
	}
}
