package passwordresetpre

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_password_reset_pre"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

type answer = types.Result[verdicts.ResetVerdict, bindings.Failure]

func receive(request *bindings.WebRequest) answer {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepWebRequest(request))
	switch {
	case err != nil:
		return types.Err[verdicts.ResetVerdict](hook.FailureOf(err))
	case verdict.Denied:
		return types.Ok[verdicts.ResetVerdict, bindings.Failure](verdicts.MakeResetVerdictDeny(hook.DenialOf(verdict.Denial)))
	default:
		return types.Ok[verdicts.ResetVerdict, bindings.Failure](verdicts.MakeResetVerdictAllow())
	}
}
