// Logs how much each session moved.
// Hook point: session-destroy. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"time"

	"tidegate/hook"
	"tidegate/hook/sessiondestroy"
)

func init() { sessiondestroy.Handle(ended) }

func ended(session hook.Session, reason string, duration time.Duration) error {
	moved := session.BytesReceived() + session.BytesSent()
	hook.Infof("%s: %d bytes in %d s (%s)", session.Username(), moved, int(duration.Seconds()), reason)
	return nil
}
