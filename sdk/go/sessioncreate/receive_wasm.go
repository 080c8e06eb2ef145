package sessioncreate

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_session_create"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

type answer = types.Result[verdicts.SessionVerdict, bindings.Failure]

func receive(session *bindings.Session) answer {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepSession(session))
	switch {
	case err != nil:
		return types.Err[verdicts.SessionVerdict](hook.FailureOf(err))
	case verdict.Denied:
		return types.Ok[verdicts.SessionVerdict, bindings.Failure](verdicts.MakeSessionVerdictDeny(hook.DenialOf(verdict.Denial)))
	default:
		return types.Ok[verdicts.SessionVerdict, bindings.Failure](verdicts.MakeSessionVerdictAllow())
	}
}
