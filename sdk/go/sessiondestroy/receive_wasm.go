package sessiondestroy

import (
	"strings"
	"time"

	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(session *bindings.Session, reason string, milliseconds uint64) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	return hook.Noticed(handler(hook.KeepSession(session), strings.Clone(reason), time.Duration(milliseconds)*time.Millisecond))
}
