// Counts failed logins by address, for an hour.
// Hook point: post-login. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"time"

	"tidegate/hook"
	"tidegate/hook/postlogin"
)

func init() { postlogin.Handle(loggedIn) }

func loggedIn(connection hook.Connection, attempt hook.LoginAttempt, session hook.Session, problem string) error {
	if session != nil {
		return nil
	}
	_, err := hook.Increment("failed/"+connection.RemoteIP(), 1, time.Hour)
	return err
}
