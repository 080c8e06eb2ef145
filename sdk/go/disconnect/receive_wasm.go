package disconnect

import (
	"time"

	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(connection *bindings.Connection, session types.Option[*bindings.Session], milliseconds uint64) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	var ended hook.Session
	if handle, present := session.Get(); present {
		ended = hook.KeepSession(handle)
	}
	return hook.Noticed(handler(hook.KeepConnection(connection), ended, time.Duration(milliseconds)*time.Millisecond))
}
