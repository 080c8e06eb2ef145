package startup

import (
	"strings"

	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(version string) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	return hook.Noticed(handler(strings.Clone(version)))
}
