// Denies connections from a network of scanners, before the handshake.
// Hook point: connect. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"strings"

	"tidegate/hook"
	"tidegate/hook/connect"
)

func init() { connect.Handle(reviewConnection) }

func reviewConnection(connection hook.Connection) (connect.Verdict, error) {
	if strings.HasPrefix(connection.RemoteIP(), "203.0.113.") {
		return connect.Deny("a network of scanners"), nil
	}
	return connect.Allow(), nil
}
