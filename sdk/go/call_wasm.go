package hook

import (
	"errors"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/runtime"
	"tidegate/hook/internal/wit/types"
)

// The functions in this file are for the packages of the hooks.

// Objects of the call under way, which go back to the server at its end.
var kept []interface{ Drop() }

func EndCall() {
	for _, object := range kept {
		object.Drop()
	}
	kept = kept[:0]
	runtime.EndCall()
}

func keepConnection(handle *bindings.Connection) Connection {
	kept = append(kept, handle)
	return &connection{handle}
}

func keepAccount(handle *bindings.Account) Account {
	kept = append(kept, handle)
	return &account{handle}
}

func keepSession(handle *bindings.Session) Session {
	kept = append(kept, handle)
	return &session{handle}
}

func keepDraft(handle *bindings.AccountDraft) AccountDraft {
	kept = append(kept, handle)
	return &accountDraft{handle}
}

func KeepConnection(handle *bindings.Connection) Connection { return keepConnection(handle) }
func KeepAccount(handle *bindings.Account) Account          { return keepAccount(handle) }
func KeepSession(handle *bindings.Session) Session          { return keepSession(handle) }

func KeepLoginAttempt(handle *bindings.LoginAttempt) LoginAttempt {
	kept = append(kept, handle)
	return &loginAttempt{handle}
}

func KeepFileAction(handle *bindings.FileAction) FileAction {
	kept = append(kept, handle)
	return &fileAction{handle}
}

func KeepObjectChange(handle *bindings.ObjectChange) ObjectChange {
	kept = append(kept, handle)
	return &objectChange{handle}
}

func KeepWebRequest(handle *bindings.WebRequest) WebRequest {
	kept = append(kept, handle)
	return &webRequest{handle}
}

func KeepCredentialChange(handle *bindings.CredentialChange) CredentialChange {
	kept = append(kept, handle)
	return &credentialChange{handle}
}

func KeepAddressBan(handle *bindings.AddressBan) AddressBan {
	kept = append(kept, handle)
	return &addressBan{handle}
}

// GiveDraft hands a draft over to the server with a verdict.
func GiveDraft(draft AccountDraft) *bindings.AccountDraft {
	// Taken from the handle that EndCall knows, so that it is not given back as well.
	return bindings.AccountDraftFromOwnHandle(draft.(*accountDraft).handle.TakeHandle())
}

func DenialOf(denial Denial) bindings.Denial {
	return bindings.Denial{Reason: denial.Reason, ClientMessage: optionalText(denial.ClientMessage)}
}

func FailureOf(err error) bindings.Failure {
	var marked transient
	return bindings.Failure{Message: err.Error(), Transient: errors.As(err, &marked)}
}

// Noticed is the answer of a hook without a verdict.
func Noticed(err error) types.Result[types.Unit, bindings.Failure] {
	if err != nil {
		return types.Err[types.Unit](FailureOf(err))
	}
	return types.Ok[types.Unit, bindings.Failure](types.Unit{})
}
