/** What cannot run is refused in one line with the problem, its place and the next step, and leaves nothing behind. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { badCommands } from "./badCommands";
import { badExits } from "./badExits";
import { badPreferences } from "./badPreferences";
import { badExperiments, type Case, data, model, tokenizer, train } from "./badExperiments";
import { realWorkspace, useRealLathe, type Workspace } from "./realLathe";

useRealLathe();

let workspace: Workspace;
/** Folder of the workspace's only run, outside the usual folder of runs. */
let run: string;

beforeAll(async () => {
  workspace = realWorkspace();
  const inside = (...path: string[]) => join(workspace.path, ...path);
  const text = Array.from({ length: 60 }, (_, i) => `Line ${i} adds ${(i * i) % 97}.\n`).join("");
  writeFileSync(inside("text.txt"), text);
  writeFileSync(inside("long.txt"), text.repeat(10));
  const pairs = Array.from({ length: 30 }, (_, i) => ({
    prompt: `ask ${i % 10} `,
    chosen: "yes!",
    rejected: "no",
  }));
  const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
  writeFileSync(inside("pairs.jsonl"), lines(pairs));
  writeFileSync(inside("bad-pairs.jsonl"), lines([pairs[0]!, { ...pairs[1]!, rejected: "" }]));
  writeFileSync(inside("empty.txt"), "");
  writeFileSync(inside("picture.png"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]));
  writeFileSync(inside("latin.txt"), Buffer.from("caf\u00e9 au lait", "latin1"));
  writeFileSync(inside("broken.json"), '{"model": ');
  writeFileSync(inside("other.json"), '{"name": "no tokenizer"}');
  mkdirSync(inside("empty-folder"));
  workspace.write("good.lathe.md", [data, model, train].join("\n"));
  run = await workspace.run(
    workspace.write("small.lathe.md", [tokenizer("characters")[0], model, train].join("\n")),
    "--device",
    "cpu",
    "--out",
    "runs",
  );
  await workspace.lathe("run", "small.lathe.md", "--device", "cpu", "--out", "two");
  await workspace.lathe("run", "small.lathe.md", "--device", "cpu", "--out", "two");
  const checkpoint = join(run, "checkpoints", "step-4");
  cpSync(checkpoint, inside("checkpoint"), { recursive: true });
  for (const name of ["cut", "mixed"]) cpSync(checkpoint, inside(name), { recursive: true });
  truncateSync(inside("cut", "model.safetensors"), 3000);
  widen(inside("mixed", "config.json"));
  await workspace.lathe("export", checkpoint, "--format", "safetensors", "--out", "exported");
  for (const name of ["exported-cut", "exported-mixed", "exported-bare", "exported-strict"])
    cpSync(inside("exported"), inside(name), { recursive: true });
  truncateSync(inside("exported-cut", "model.safetensors"), 3000);
  widen(inside("exported-mixed", "config.json"));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) rmSync(inside("exported-bare", name));
  writeFileSync(
    inside("exported-strict", "chat_template.jinja"),
    "{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('only users speak') }}{% endif %}{% endfor %}",
  );
}, 60_000);

function widen(config: string): void {
  writeFileSync(config, readFileSync(config, "utf8").replace('"hidden_size": 16', '"hidden_size": 32'));
}

const cases: readonly Case[] = [...badExperiments, ...badExits, ...badPreferences, ...badCommands];

/** The message, with its variable parts replaced. */
function told(message: string): string {
  return message.replaceAll(workspace.path, "WORKSPACE").replaceAll(/-\d{8}-\d{6}-[0-9a-f]{4}/g, "-ID");
}

function commandOf({ cells, args = [] }: Case): readonly string[] {
  if (cells === undefined) return args;
  return ["run", workspace.write("bad.lathe.md", cells.join("\n")), "--device", "cpu", ...args];
}

describe("bad input", { timeout: 30_000 }, () => {
  it.each(cases)("$what", async (each) => {
    const { status, output, errors } = await workspace.lathe(...commandOf(each), "--json");
    expect(status).toBe(2);
    const { error } = JSON.parse(output) as { error: { code: string; message: string } };
    expect(told(error.message)).toBe(each.message);
    // Standard error shows users the message that the document gives programs.
    expect(errors.replace(/^error: /, "")).toBe(`${error.message}\n`);
    expect(existsSync(join(workspace.path, ".lathe", "runs"))).toBe(false);
  });

  it("is reported only on standard error without --json", async () => {
    for (const each of [cases[0]!, cases.at(-2)!, cases.at(-1)!]) {
      const { status, output, errors } = await workspace.lathe(...commandOf(each));
      expect({ status, output }).toEqual({ status: 2, output: "" });
      expect(told(errors.replace(/^error: /, ""))).toBe(`${each.message}\n`);
    }
  });

  it("such as an invalid number of threads is refused like the rest", async () => {
    const other = realWorkspace({ LATHE_THREADS: "many" });
    const file = other.write(
      "good.lathe.md",
      [data.replace("text: text.txt", "grammar: {}"), model, train].join("\n"),
    );
    const { status, errors } = await other.lathe("run", file);
    expect(status).toBe(2);
    expect(errors).toMatch(/^error: The number of threads must be a positive integer, not many\./);
    expect(existsSync(join(other.path, ".lathe", "runs"))).toBe(false);
  });
});

describe("a device that does not start", { timeout: 60_000 }, () => {
  it.for([
    [
      "dml",
      /^error: Device "dml" does not work on this machine: .*It requires Windows 10 or later\. Use --device cpu/,
    ],
    [
      "coreml",
      /^error: Device "coreml" does not work on this machine: .*It requires macOS on Apple silicon\. Use --device cpu/,
    ],
    [
      "cuda",
      /^error: Device "cuda" does not work on this machine: .*It requires Linux on x64, an NVIDIA driver.* Use --device cpu/,
    ],
  ] as const)("%s is refused with what it needs", async ([name, message], test) => {
    const { devices } = await workspace.json<{ devices: readonly { name: string; works: boolean }[] }>(
      "devices",
    );
    if (devices.some((device) => device.name === name && device.works)) test.skip(`${name} works here`);
    const { status, errors } = await workspace.lathe("run", "good.lathe.md", "--device", name);
    expect(status).toBe(2);
    expect(errors).toMatch(message);
    expect(existsSync(join(workspace.path, ".lathe", "runs"))).toBe(false);
  });
});
