// Logs who changed which account.
package main

import (
	"tidegate/hook"
	"tidegate/hook/objectchanges"
)

func init() { objectchanges.Handle(changed) }

func changed(change hook.ObjectChange) error {
	actor := change.Actor()
	if actor == "" {
		actor = "the system"
	}
	hook.Infof("%s changed %s", actor, change.Name())
	return nil
}
