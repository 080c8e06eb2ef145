package postaction

import (
	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(action *bindings.FileAction) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	return hook.Noticed(handler(hook.KeepFileAction(action)))
}
