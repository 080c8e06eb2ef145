// Lets a password end in a hyphen and a code of six characters, which it takes off before the server compares.
// Needs the grant `credentials`.
// Hook point: check-password. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"tidegate/hook"
	"tidegate/hook/checkpassword"
)

func init() { checkpassword.Handle(check) }

func check(attempt hook.LoginAttempt) (checkpassword.Verdict, error) {
	password, err := attempt.Password()
	if err != nil {
		return checkpassword.Verdict{}, err
	}
	end := len(password) - 7
	if end < 0 || password[end] != '-' {
		return checkpassword.Defer(), nil
	}
	return checkpassword.Verify(password[:end]), nil
}
