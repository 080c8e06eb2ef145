package oneclickloginpost

import (
	"strings"

	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(token, username, name string) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	return hook.Noticed(handler(strings.Clone(token), strings.Clone(username), strings.Clone(name)))
}
