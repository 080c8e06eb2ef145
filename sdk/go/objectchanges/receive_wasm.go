package objectchanges

import (
	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(change *bindings.ObjectChange) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	return hook.Noticed(handler(hook.KeepObjectChange(change)))
}
