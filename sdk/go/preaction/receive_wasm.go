package preaction

import (
	"tidegate/hook"
	verdicts "tidegate/hook/internal/bindings/tidegate_hooks_pre_action"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

type answer = types.Result[verdicts.ActionVerdict, bindings.Failure]

func receive(action *bindings.FileAction) answer {
	defer hook.EndCall()
	verdict, err := handler(hook.KeepFileAction(action))
	switch {
	case err != nil:
		return types.Err[verdicts.ActionVerdict](hook.FailureOf(err))
	case verdict.Denied:
		return types.Ok[verdicts.ActionVerdict, bindings.Failure](verdicts.MakeActionVerdictDeny(hook.DenialOf(verdict.Denial)))
	default:
		return types.Ok[verdicts.ActionVerdict, bindings.Failure](verdicts.MakeActionVerdictAllow())
	}
}
