/** Models in processes of their own that answer prompts and score each other's answers, asked by a window. */
import { execFileSync } from "node:child_process";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { createBytesTokenizer } from "../../../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../../../src/backend/data/tokenizers/characters";
import { exportModel } from "../../../../src/backend/exports/exportModel";
import type { Events } from "../../../../src/protocol/backend";
import type { AnswerSettings } from "../../../../src/protocol/service/answers";
import type { Subject } from "../../../../src/protocol/service/models";
import { createTinyShape, drawModelTensors } from "../../../support/subject";
import { bundle, temporaryFolder } from "../../runs/workbench";
import { Window } from "../window";

const settings: AnswerSettings = { maxNewTokens: 10, temperature: 0, topK: 0, topP: 1, seed: 0 };
let folder: string;
let window: Window;
const served: { readonly controller: AbortController; readonly ended: Promise<unknown> }[] = [];

async function writeModel(name: string, seed: number, tokenizer = createBytesTokenizer()): Promise<void> {
  const shape = createTinyShape("gpt2", { vocab_size: tokenizer.vocabSize, n_positions: 4096 });
  await exportModel(
    { shape, tensors: drawModelTensors(shape, seed), tokenizer },
    { format: "safetensors" },
    join(folder, name),
  );
}

beforeAll(async () => {
  process.env.LATHE_COMMAND = await bundle("src/cli/main.ts", "lathe");
  process.env.LATHE_THREADS = "1";
  folder = temporaryFolder();
  await writeModel("dense", 3);
  await writeModel("shrunk", 4);
  await writeModel("letters", 3, createCharactersTokenizer(Array.from("abcdefgh"), true));
  window = await new Window().open();
}, 60_000);
afterEach(async () => {
  for (const { controller } of served) controller.abort();
  await Promise.allSettled(served.map(({ ended }) => ended));
  served.length = 0;
});

/** Resolves when the model is loaded; `ended` rejects with the reason of its end. */
async function serve(server: string, subject: Subject = { kind: "path", path: join(folder, server) }) {
  const controller = new AbortController();
  const before = window.events("modelServed").length;
  const ended = window.ask("models.serve", { server, subject, device: "cpu" }, controller.signal);
  ended.catch(() => undefined);
  served.push({ controller, ended });
  await Promise.race([
    expect.poll(() => window.events("modelServed").length, { timeout: 30_000 }).toBeGreaterThan(before),
    ended,
  ]);
  return { controller, ended, model: window.events("modelServed").at(-1)!.model };
}

function collect(answer: number) {
  const grown = window.events("answerGrew").filter((each) => each.answer === answer);
  return {
    context: grown.flatMap(({ context }) => context ?? []),
    ids: grown.flatMap(({ ids }) => [...ids]),
    text: grown.map(({ text }) => text).join(""),
  };
}

test("two models answer a prompt and score each other's tokens; the process ends with its request", async () => {
  const dense = await serve("dense");
  const shrunk = await serve("shrunk");
  expect(dense.model).toMatchObject({ title: "dense", family: "gpt2", device: "cpu", hasChat: false });
  expect(dense.model.vocabulary).toBe(shrunk.model.vocabulary);
  const prompt = { text: "Once" };
  const [first, second] = await Promise.all([
    window.ask("models.answer", { server: "dense", answer: 1, prompt, settings }),
    window.ask("models.answer", { server: "shrunk", answer: 2, prompt, settings }),
  ]);
  expect(first).toMatchObject({ finish: "length", tokens: 10, promptTokens: 4 });
  expect(first.seconds).toBeGreaterThan(0);
  expect(second.tokens).toBe(10);
  const { context, ids, text } = collect(1);
  expect(context).toEqual([...Buffer.from("Once")]);
  expect(ids).toHaveLength(10);
  expect(ids).not.toEqual(collect(2).ids);
  const own = await window.ask("models.score", { server: "dense", context, ids });
  const others = await window.ask("models.score", { server: "shrunk", context, ids });
  expect(own.pieces.join("")).toBe(text);
  expect(others.pieces).toEqual(own.pieces);
  // Every token of a greedy answer is likelier than one of 257, and not so for the other model.
  for (const score of own.logProbabilities) expect(score).toBeGreaterThan(Math.log(1 / 257));
  const sum = (scores: readonly (number | null)[]) => scores.reduce<number>((all, each) => all + each!, 0);
  expect(sum(others.logProbabilities)).toBeLessThan(sum(own.logProbabilities));
  dense.controller.abort();
  await expect(dense.ended).rejects.toMatchObject({ code: "cancelled" });
  await expect(
    window.ask("models.answer", { server: "dense", answer: 3, prompt, settings }),
  ).rejects.toMatchObject({ code: "not-found" });
  // The other one still answers.
  expect(await window.ask("models.answer", { server: "shrunk", answer: 4, prompt, settings })).toMatchObject({
    tokens: 10,
  });
  expect(collect(4).ids).toEqual(collect(2).ids);
}, 60_000);

test("equal seeds sample equal tokens, other settings are refused by name, and a stopped answer keeps its tokens", async () => {
  await serve("dense");
  const prompt = { text: "a" };
  const sample = (answer: number, changes: Partial<AnswerSettings>) =>
    window.ask("models.answer", {
      server: "dense",
      answer,
      prompt,
      settings: { ...settings, temperature: 2, ...changes },
    });
  await sample(11, { seed: 5 });
  await sample(12, { seed: 5 });
  await sample(13, { seed: 6 });
  expect(collect(11).ids).toEqual(collect(12).ids);
  expect(collect(11).ids).not.toEqual(collect(13).ids);
  await expect(sample(14, { topP: 2 })).rejects.toMatchObject({
    code: "invalid-input",
    message: expect.stringContaining("topP") as string,
  });

  const long = { ...settings, maxNewTokens: 4000 };
  const answer = window.ask("models.answer", {
    server: "dense",
    answer: 21,
    prompt: { text: "a" },
    settings: long,
  });
  await expect.poll(() => collect(21).ids.length, { timeout: 20_000 }).toBeGreaterThan(3);
  await window.ask("models.stopAnswer", { server: "dense" });
  const stopped = await answer;
  expect(stopped.finish).toBe("stopped");
  const { context, ids, text } = collect(21);
  expect(stopped.tokens).toBe(ids.length);
  expect(ids.length).toBeLessThan(4000);
  const { pieces } = await window.ask("models.score", { server: "dense", context, ids });
  // Bytes at the end that do not complete a character are not shown while more may follow.
  expect(pieces.join("").startsWith(text)).toBe(true);
}, 60_000);

test("a model with a chat template answers conversations", async () => {
  cpSync(join(folder, "dense"), join(folder, "chat"), { recursive: true });
  writeFileSync(
    join(folder, "chat", "chat_template.jinja"),
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}",
  );
  const { model } = await serve("chat");
  expect(model.hasChat).toBe(true);
  const messages = [
    { role: "system", content: "So" },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Yes" },
    { role: "user", content: "?" },
  ] as const;
  await window.ask("models.answer", { server: "chat", answer: 31, prompt: { messages }, settings });
  expect(Buffer.from(collect(31).context).toString()).toBe("s:So;u:Hi;a:Yes;u:?;");
}, 60_000);

test("models with other tokens have another vocabulary and no chat, and a token without a row is refused", async () => {
  const { model } = await serve("letters");
  const { vocabulary } = window.events("modelServed").find(({ server }) => server === "dense")!.model;
  expect(model.vocabulary).not.toBe(vocabulary);
  const prompt = { messages: [{ role: "user", content: "a" }] } as const;
  await expect(
    window.ask("models.answer", { server: "letters", answer: 32, prompt, settings }),
  ).rejects.toThrow(/characters has no chat template/);
  await expect(
    window.ask("models.score", { server: "letters", context: [100], ids: [1] }),
  ).rejects.toMatchObject({ code: "invalid-input" });
}, 60_000);

test("a model that cannot be loaded is refused with its reason, and no process remains", async () => {
  await expect(serve("nowhere")).rejects.toMatchObject({ code: "not-found" });
  await expect(serve("run", { kind: "plan", experiment: "/a.lathe.md" })).rejects.toThrow(
    "A planned model has no weights to try.",
  );
  await expect(serve("near", { kind: "path", path: "owner/name" })).rejects.toThrow(
    "owner/name is not an absolute path",
  );
  cpSync(join(folder, "dense"), join(folder, "broken"), { recursive: true });
  rmSync(join(folder, "broken", "model.safetensors"));
  await expect(serve("broken")).rejects.toMatchObject({ code: "not-found" });
}, 60_000);

test("the death of a model's process is an error of its own requests alone", async () => {
  const { ended } = await serve("dense");
  await serve("shrunk");
  const pid = Number(
    execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)])
      .toString()
      .split("\n")
      .find((line) => line.endsWith(join(folder, "dense")))
      ?.trim()
      .split(" ")[0],
  );
  const asked = window.ask("models.answer", {
    server: "dense",
    answer: 41,
    prompt: { text: "a" },
    settings: { ...settings, maxNewTokens: 4000 },
  });
  process.kill(pid, "SIGKILL");
  await expect(asked).rejects.toMatchObject({ code: "process-died" });
  await expect(ended).rejects.toThrow(/The process of the model ended with SIGKILL/);
  const prompt = { text: "a" };
  expect(await window.ask("models.answer", { server: "shrunk", answer: 42, prompt, settings })).toMatchObject(
    { tokens: 10 },
  );
}, 60_000);

test("nothing is loaded in an untrusted workspace", async () => {
  const untrusted = await new Window().open({ trusted: false });
  const subject = { kind: "path", path: join(folder, "dense") } as const;
  await expect(untrusted.ask("models.serve", { server: "a", subject })).rejects.toThrow(
    /^Trying a model is only possible in a trusted workspace/,
  );
  const none: readonly Events["modelServed"][] = untrusted.events("modelServed");
  expect(none).toEqual([]);
});
