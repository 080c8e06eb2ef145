package hook

import (
	"errors"
	"strings"
	"time"

	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

// What the server wrote lies in memory that is wiped at the end of the call; strings are cloned out of it.

func cloneAll(texts []string) []string {
	for index, text := range texts {
		texts[index] = strings.Clone(text)
	}
	return texts
}

func timeOf(seconds uint64) time.Time { return time.Unix(int64(seconds), 0).UTC() }

func optionalTime(seconds types.Option[uint64]) time.Time {
	if value, present := seconds.Get(); present {
		return timeOf(value)
	}
	return time.Time{}
}

func optionalTimestamp(when time.Time) types.Option[uint64] {
	if when.IsZero() {
		return types.None[uint64]()
	}
	return types.Some(uint64(max(when.Unix(), 0)))
}

func optionalText(text string) types.Option[string] {
	if text == "" {
		return types.None[string]()
	}
	return types.Some(text)
}

func explained(result types.Result[types.Unit, string]) error {
	if result.Tag() == types.ResultErr {
		return errors.New(strings.Clone(result.Err()))
	}
	return nil
}

func granted[T any](result types.Result[T, bindings.AccessError]) (value T, err error) {
	if result.Tag() == types.ResultOk {
		return result.Ok(), nil
	}
	if refusal := result.Err(); refusal.Tag() == bindings.AccessErrorNotGranted {
		return value, NotGranted{strings.Clone(refusal.NotGranted())}
	}
	return value, ErrAbsent
}

func grantedText(result types.Result[string, bindings.AccessError]) (string, error) {
	text, err := granted(result)
	return strings.Clone(text), err
}

// The names of a variant's cases, in the order of the contract; its last case is another name.
type variant interface {
	Tag() uint8
	Other() string
}

func nameOf[T ~string](value variant, names ...T) T {
	if tag := int(value.Tag()); tag < len(names) {
		return names[tag]
	}
	return T(strings.Clone(value.Other()))
}

func protocolOf(value bindings.Protocol) Protocol {
	return nameOf[Protocol](value, "sftp", "scp", "ssh-command", "http")
}

func loginMethodOf(value bindings.LoginMethod) LoginMethod {
	return nameOf(value, Password, PublicKey, KeyboardInteractive, Certificate)
}

func actionKindOf(value bindings.ActionKind) ActionKind {
	return nameOf[ActionKind](value, "download", "first-download", "upload", "first-upload", "delete", "rename",
		"copy", "mkdir", "rmdir", "ssh-command")
}

func actionStatusOf(value bindings.ActionStatus) ActionStatus {
	return nameOf[ActionStatus](value, "ok", "failed", "quota-exceeded")
}

func objectKindOf(value bindings.ObjectKind) ObjectKind {
	return nameOf[ObjectKind](value, "account", "group", "folder", "admin", "api-key")
}

func loginMethodsOf(values []bindings.LoginMethod) []LoginMethod {
	methods := make([]LoginMethod, len(values))
	for index, value := range values {
		methods[index] = loginMethodOf(value)
	}
	return methods
}

func loginMethodsOut(methods []LoginMethod) []bindings.LoginMethod {
	values := make([]bindings.LoginMethod, len(methods))
	for index, method := range methods {
		switch method {
		case Password:
			values[index] = bindings.MakeLoginMethodPassword()
		case PublicKey:
			values[index] = bindings.MakeLoginMethodPublicKey()
		case KeyboardInteractive:
			values[index] = bindings.MakeLoginMethodKeyboardInteractive()
		case Certificate:
			values[index] = bindings.MakeLoginMethodCertificate()
		default:
			values[index] = bindings.MakeLoginMethodOther(string(method))
		}
	}
	return values
}
