// Logs login URLs that never expire.
// Hook point: credential-changed. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/credentialchanged"
)

func init() { credentialchanged.Handle(credentialChanged) }

func credentialChanged(change hook.CredentialChange) error {
	if change.IsLoginURL() && change.ExpiresAt().IsZero() {
		hook.Warnf("the login URL %s of %s never expires", change.Name(), change.Username())
	}
	return nil
}
