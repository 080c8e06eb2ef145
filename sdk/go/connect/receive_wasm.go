package connect

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_connect"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

type answer = types.Result[verdicts.ConnectVerdict, bindings.Failure]

func receive(connection *bindings.Connection) answer {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepConnection(connection))
	switch {
	case err != nil:
		return types.Err[verdicts.ConnectVerdict](hook.FailureOf(err))
	case verdict.Denied:
		return types.Ok[verdicts.ConnectVerdict, bindings.Failure](verdicts.MakeConnectVerdictDeny(hook.DenialOf(verdict.Denial)))
	default:
		return types.Ok[verdicts.ConnectVerdict, bindings.Failure](verdicts.MakeConnectVerdictAllow())
	}
}
