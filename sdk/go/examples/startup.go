// Writes a line to the log when the server starts.
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
