// Talks with the user over the SSH method of that name.
#ifndef TIDEGATE_HOOKS_KEYBOARD_INTERACTIVE_H
#define TIDEGATE_HOOKS_KEYBOARD_INTERACTIVE_H

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef exports_tidegate_hooks_keyboard_interactive_result_interactive_verdict_failure_t keyboard_interactive_t;
typedef tidegate_hooks_conversations_borrow_conversation_t conversation_t;

// You write this one. It ends with `keyboard_interactive_defer()`, `…_accept(draft)`, `…_accept_stored()`,
// `…_reject(reason)` or `…_fail(reason)`.
keyboard_interactive_t on_keyboard_interactive(login_attempt_t attempt, conversation_t conversation);

// One question and its answer. No text if the user went away: then just return.
static inline text_t conversation_ask(conversation_t conversation, text_t question, bool echo) {
  text_t instruction = text("");
  tidegate_hooks_conversations_prompt_t prompt = {question, echo};
  tidegate_hooks_conversations_list_prompt_t prompts = {&prompt, 1};
  texts_t answers;
  tidegate_hooks_conversations_conversation_error_t error;
  if (!tidegate_hooks_conversations_method_conversation_ask(conversation, &instruction, &prompts, &answers, &error)) {
    hook_invalid(text("the conversation is over"));
    return text(NULL);
  }
  return answers.len == 1 ? answers.ptr[0] : text(NULL);
}

static inline bool conversation_verify_password(conversation_t conversation, text_t answer) {
  return tidegate_hooks_conversations_method_conversation_verify_password(conversation, &answer);
}

static inline bool conversation_verify_one_time_code(conversation_t conversation, text_t answer) {
  return tidegate_hooks_conversations_method_conversation_verify_one_time_code(conversation, &answer);
}

// The kinds of verdict, for tests.
#define KEYBOARD_INTERACTIVE_ACCEPT EXPORTS_TIDEGATE_HOOKS_KEYBOARD_INTERACTIVE_INTERACTIVE_VERDICT_ACCEPT
#define KEYBOARD_INTERACTIVE_DEFER EXPORTS_TIDEGATE_HOOKS_KEYBOARD_INTERACTIVE_INTERACTIVE_VERDICT_DEFER
#define KEYBOARD_INTERACTIVE_REJECT EXPORTS_TIDEGATE_HOOKS_KEYBOARD_INTERACTIVE_INTERACTIVE_VERDICT_REJECT

HOOK_FAILURES(keyboard_interactive)
HOOK_PLAIN(keyboard_interactive, defer, KEYBOARD_INTERACTIVE_DEFER)
HOOK_DENIAL(keyboard_interactive, reject, KEYBOARD_INTERACTIVE_REJECT)

// The credentials are good. The account is created or replaced by the draft.
static inline keyboard_interactive_t keyboard_interactive_accept(account_draft_t draft) {
  keyboard_interactive_t result = {.is_err = false};
  result.val.ok.tag = KEYBOARD_INTERACTIVE_ACCEPT;
  result.val.ok.val.accept.is_some = true;
  result.val.ok.val.accept.val = hook_give_draft(draft);
  return result;
}

// The credentials are good, and the stored account is used as it is.
static inline keyboard_interactive_t keyboard_interactive_accept_stored(void) {
  keyboard_interactive_t result = {.is_err = false};
  result.val.ok.tag = KEYBOARD_INTERACTIVE_ACCEPT;
  return result;
}

#ifdef __wasm__
bool HOOK_EXPORTED(keyboard_interactive, converse)(
    exports_tidegate_hooks_keyboard_interactive_borrow_login_attempt_t attempt,
    exports_tidegate_hooks_keyboard_interactive_borrow_conversation_t conversation,
    exports_tidegate_hooks_keyboard_interactive_interactive_verdict_t *verdict,
    exports_tidegate_hooks_keyboard_interactive_failure_t *failure) {
  keyboard_interactive_t result = on_keyboard_interactive(attempt, conversation);
  HOOK_FINISH(result, verdict, failure)
}

#include "../generated/keyboard_interactive.h"
#endif

#ifdef __cplusplus
}
#endif
#endif
