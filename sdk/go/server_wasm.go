package hook

import (
	"errors"
	"strings"
	"time"

	configuration "tidegate/hook/internal/bindings/tidegate_hooks_config"
	store "tidegate/hook/internal/bindings/tidegate_hooks_kv"
	journal "tidegate/hook/internal/bindings/tidegate_hooks_log"
	secrets "tidegate/hook/internal/bindings/tidegate_hooks_secrets"
	bindings "tidegate/hook/internal/bindings/tidegate_hooks_types"
	"tidegate/hook/internal/wit/types"
)

// Config returns a value of the plugin's configuration by its dotted key; empty if there is none.
func Config(key string) string { return strings.Clone(configuration.Get(key).SomeOr("")) }

// ConfigJSON returns the whole configuration as a JSON object.
func ConfigJSON() string { return strings.Clone(configuration.ToJson()) }

// Secret returns a secret that the operator gave to the plugin by name.
func Secret(name string) (string, error) { return grantedText(secrets.Get(name)) }

// Log writes a line with fields, given as name, value, name, value, …
func Log(level Level, message string, fields ...string) {
	pairs := make([]types.Tuple2[string, string], 0, len(fields)/2)
	for index := 0; index+1 < len(fields); index += 2 {
		pairs = append(pairs, types.Tuple2[string, string]{F0: fields[index], F1: fields[index+1]})
	}
	journal.Log(uint8(level), message, pairs)
}

// NewAccountDraft starts an account: enabled, without permissions.
func NewAccountDraft(username string) AccountDraft {
	return keepDraft(bindings.MakeAccountDraft(username))
}

// AccountDraftOf copies an account, to change a few things.
func AccountDraftOf(existing Account) AccountDraft {
	return keepDraft(bindings.AccountDraftOf(existing.(*account).handle))
}

// AccountDraftFromJSON takes the document that the REST API accepts.
func AccountDraftFromJSON(document string) (AccountDraft, error) {
	result := bindings.AccountDraftFromJson(document)
	if result.Tag() == types.ResultErr {
		return nil, errors.New(strings.Clone(result.Err()))
	}
	return keepDraft(result.Ok()), nil
}

func stored[T any](result types.Result[T, store.KvError]) (value T, err error) {
	if result.Tag() == types.ResultOk {
		return result.Ok(), nil
	}
	switch problem := result.Err(); problem.Tag() {
	case store.KvErrorFull:
		return value, ErrStoreFull
	case store.KvErrorTooLarge:
		return value, ErrTooLarge
	default:
		return value, errors.New(strings.Clone(problem.Unavailable()))
	}
}

func optionalSeconds(life time.Duration) types.Option[uint32] {
	if life <= 0 {
		return types.None[uint32]()
	}
	return types.Some(uint32(life / time.Second))
}

// Load returns what the plugin's store has for the key; nil if nothing.
func Load(key string) ([]byte, error) {
	found, err := stored(store.Get(key))
	value, present := found.Get()
	if err != nil || !present {
		return nil, err
	}
	return append([]byte{}, value...), nil
}

// Store keeps a value; a life of zero means: for ever.
func Store(key string, value []byte, life time.Duration) error {
	_, err := stored(store.Set(key, value, optionalSeconds(life)))
	return err
}

func Forget(key string) error {
	_, err := stored(store.Delete(key))
	return err
}

// Increment adds to a counter, atomically, and returns the sum.
func Increment(key string, by int64, life time.Duration) (int64, error) {
	return stored(store.Increment(key, by, optionalSeconds(life)))
}
