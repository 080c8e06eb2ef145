// Writes a line to the log when the server starts.
// Hook point: startup. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/startup"
)

func init() { startup.Handle(started) }

func started(version string) error {
	hook.Infof("hello, server %s", version)
	return nil
}
