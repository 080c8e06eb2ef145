// Logs connections that ended without a login.
// Hook point: disconnect. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"time"

	"tidegate/hook"
	"tidegate/hook/disconnect"
)

func init() { disconnect.Handle(disconnected) }

func disconnected(connection hook.Connection, session hook.Session, duration time.Duration) error {
	if session == nil {
		hook.Warnf("%s left after %d ms without a login", connection.RemoteIP(), duration.Milliseconds())
	}
	return nil
}
