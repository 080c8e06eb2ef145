// Asks for the password, and then for the name of the town.
// Hook point: keyboard-interactive. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/keyboardinteractive"
)

func init() { keyboardinteractive.Handle(converse) }

func converse(attempt hook.LoginAttempt, conversation keyboardinteractive.Conversation) (keyboardinteractive.Verdict, error) {
	password, err := conversation.Ask("", keyboardinteractive.Prompt{Text: "Password: "})
	if err != nil {
		return keyboardinteractive.Verdict{}, err
	}
	if !conversation.VerifyPassword(password[0]) {
		return keyboardinteractive.Reject("not the password"), nil
	}
	town, err := conversation.Ask("", keyboardinteractive.Prompt{Text: "Town: ", Echo: true})
	if err != nil {
		return keyboardinteractive.Verdict{}, err
	}
	if town[0] != "Tidegate" {
		return keyboardinteractive.Reject("not the town"), nil
	}
	return keyboardinteractive.Accept(nil), nil
}
