// Logs each change of an object, with its actor.
// Hook point: object-changes. Build: ./build.sh in a project of `tidegate plugin new`.
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
