/** Conversations formatted by chat templates, and templates that misbehave. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { type ChatMessage, createChat } from "../../../src/backend/data/tokenizers/chatTemplate";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { createTemporaryFolder } from "../../support/subject";

const tokens = { bos_token: "<s>", eos_token: "</s>" };
const apply = (source: string, messages: readonly ChatMessage[]) =>
  createChat("small.json", source, tokens).apply(messages);
const hello: ChatMessage = { role: "user", content: "Hello" };
const conversation: ChatMessage[] = [
  { role: "system", content: "Be brief." },
  hello,
  { role: "assistant", content: "Hi." },
  { role: "user", content: "Why?" },
];

/** The format of Phi-3, rewritten. */
const phi3 =
  "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}";

describe("a chat template", () => {
  it("formats a conversation up to the start of the next answer", () => {
    expect(apply(phi3, conversation)).toBe(
      "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\nHi.<|end|>\n<|user|>\nWhy?<|end|>\n<|assistant|>\n",
    );
  });

  it("knows the special tokens, and trims around blocks as published templates expect", () => {
    const source = `{{ bos_token }}{%- for m in messages %}
      {%- if m.role == 'user' %}[{{ m.content | trim }}]{%- else %}({{ m.content }}){{ eos_token }}{%- endif %}
    {%- endfor %}`;
    expect(apply(source, conversation)).toBe("<s>(Be brief.)</s>[Hello](Hi.)</s>[Why?]");
    expect(apply("{% if true %}\n  a\n{% endif %}\nb", [hello])).toBe("  a\nb");
    expect(apply("{% for i in range(1, 6, 2) %}{{ i }}{% endfor %}", [hello])).toBe("135");
  });

  it("treats text as text, whatever it contains", () => {
    const content = "{{ bos_token }}{% raw %}\u0000</s>";
    expect(apply("{{ messages[0].content }}", [{ role: "user", content }])).toBe(content);
  });

  it("has no access to the time, so that its output is the same every day", () => {
    const source = "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% else %}never{% endif %}";
    expect(apply(source, [hello])).toBe("never");
  });

  it.each([
    ["{{ raise_exception('Roles must alternate') }}", /\(Roles must alternate\)/],
    ["{% for %}", /refuses this conversation/],
    ["{% for i in range(100000000) %}{% endfor %}", /range of 100000000 numbers/],
    ["x".repeat(300_000), /300000 letters/],
  ])("that fails raises one error with the reason: %.40s", (source, reason) => {
    const error = (() => {
      try {
        return apply(source, [hello]);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({ code: "invalid-input" });
    expect((error as Error).message).toMatch(/^The chat template of small\.json /);
    expect((error as Error).message).toMatch(reason);
  });
});

it("a chat template is stopped if it takes too long", () => {
  const loops = "{% for a in r %}".repeat(4) + "{% endfor %}".repeat(4);
  const endless = createChat("small.json", `{% set r = range(9000) %}${loops}`, tokens, 300);
  expect(() => endless.apply([hello])).toThrow(/small\.json refuses this conversation \(.*300ms\)/);
  expect(createChat("small.json", phi3, tokens, 60_000).apply([hello])).toContain("Hello");
});

describe("a tokenizer", () => {
  const files = createBytesTokenizer().files;

  async function open(besides: Readonly<Record<string, string>>) {
    using folder = createTemporaryFolder();
    const path = join(folder.path, "model");
    mkdirSync(path);
    for (const [name, content] of Object.entries({ ...files, ...besides }))
      writeFileSync(join(path, name), content);
    return await openTokenizer(path, ".");
  }
  const config = (settings: object) => ({ "tokenizer_config.json": JSON.stringify(settings) });

  it("has the template of its settings, the default of several, or that of a separate file", async () => {
    expect((await open({})).chat).toBeUndefined();
    const single = await open(config({ chat_template: "A{{ eos_token }}", eos_token: { content: "!" } }));
    expect(single.chat!.apply([hello])).toBe("A!");
    const several = [
      { name: "tool_use", template: "T" },
      { name: "default", template: "D" },
    ];
    expect((await open(config({ chat_template: several }))).chat!.apply([hello])).toBe("D");
    const apart = { ...config({ chat_template: "A" }), "chat_template.jinja": "J" };
    expect((await open(apart)).chat!.apply([hello])).toBe("J");
  });

  it("saves it with its files", async () => {
    const besides = { ...config({ bos_token: null }), "chat_template.jinja": "J" };
    expect((await open(besides)).files).toMatchObject(besides);
  });
});
