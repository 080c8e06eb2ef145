package postlogin

import (
	"strings"

	"tidegate/hook"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

func receive(connection *bindings.Connection, attempt types.Option[*bindings.LoginAttempt], outcome types.Result[*bindings.Session, string]) types.Result[types.Unit, bindings.Failure] {
	defer hook.EndCall()
	var tried hook.LoginAttempt
	if handle, present := attempt.Get(); present {
		tried = hook.KeepLoginAttempt(handle)
	}
	var session hook.Session
	var problem string
	if outcome.Tag() == types.ResultOk {
		session = hook.KeepSession(outcome.Ok())
	} else {
		problem = strings.Clone(outcome.Err())
	}
	return hook.Noticed(handler(hook.KeepConnection(connection), tried, session, problem))
}
