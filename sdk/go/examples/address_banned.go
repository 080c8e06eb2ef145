// Logs what is banned, why, and for how long.
// Hook point: address-banned. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/addressbanned"
)

func init() { addressbanned.Handle(banned) }

func banned(ban hook.AddressBan) error {
	minutes := int(ban.Until().Sub(ban.At()).Minutes())
	logins := ban.LoginFailed() + ban.UserNotFound()
	hook.Warnf("%s is banned for %d minutes after %d denied logins", ban.Network(), minutes, logins)
	return nil
}
