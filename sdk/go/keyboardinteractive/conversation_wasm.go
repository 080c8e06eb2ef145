package keyboardinteractive

import (
	"errors"
	"strings"

	conversations "tidegate/hook/internal/bindings/tidegate_hooks_conversations"
	"tidegate/hook/internal/wit/types"
)

type conversation struct{ handle *conversations.Conversation }

func (c conversation) Ask(instruction string, prompts ...Prompt) ([]string, error) {
	questions := make([]conversations.Prompt, len(prompts))
	for index, prompt := range prompts {
		questions[index] = conversations.Prompt{Text: prompt.Text, Echo: prompt.Echo}
	}
	result := c.handle.Ask(instruction, questions)
	if result.Tag() == types.ResultErr {
		return nil, errors.New("the conversation is over")
	}
	answers := result.Ok()
	for index, answer := range answers {
		answers[index] = strings.Clone(answer)
	}
	return answers, nil
}

func (c conversation) VerifyPassword(answer string) bool { return c.handle.VerifyPassword(answer) }
func (c conversation) VerifyOneTimeCode(answer string) bool {
	return c.handle.VerifyOneTimeCode(answer)
}
