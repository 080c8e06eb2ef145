// Limits the bandwidth of clients that do not come from the office, just before the login.
// Hook point: pre-login. Build: ./build.sh in a project of `tidegate plugin new`.
package main

import (
	"strings"

	"tidegate/hook"
	"tidegate/hook/prelogin"
)

func init() { prelogin.Handle(prepare) }

func prepare(attempt hook.LoginAttempt, account hook.Account) (prelogin.Verdict, error) {
	if account == nil {
		return prelogin.Unchanged(), nil
	}
	draft := hook.AccountDraftOf(account)
	limit := uint64(512)
	if strings.HasPrefix(attempt.Connection().RemoteIP(), "192.0.2.") {
		limit = 0
	}
	draft.SetBandwidthKB(limit, limit)
	return prelogin.Replace(draft), nil
}
