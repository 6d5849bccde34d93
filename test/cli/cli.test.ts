/** The command line as a user or a script runs it: real processes, with a small loop instead of training. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunFolder } from "../../src/backend/runs/folder/runFolder";
import { LiveRunIndex } from "../../src/backend/service/runs/liveRunIndex";
import { listRuns } from "../../src/backend/runs/folder/findRuns";
import {
  bundle,
  bundleLoop,
  ended,
  inState,
  loopPlan,
  newWorkspace,
  pastStep,
} from "../backend/runs/workbench";

let cli: string;
let script: string;
let workspace: string;
beforeAll(async () => {
  cli = await bundle("src/cli/main.ts", "lathe");
  script = await bundleLoop();
});
beforeEach(() => {
  workspace = newWorkspace();
});

interface Finished {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

function start(...args: string[]) {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: workspace,
    env: { ...process.env, LATHE_RUN_PROCESS: script, FORCE_COLOR: "", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, errors] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const finished = new Promise<Finished>((resolve) => {
    child.on("close", (status) => resolve({ status, output, errors }));
  });
  return { child, finished, errors: () => errors };
}

const lathe = (...args: string[]) => start(...args).finished;
const json = <T>({ output }: Finished) => JSON.parse(output) as T;

function write(name: string, cells: string): string {
  writeFileSync(join(workspace, name), `# A test\n\n\`\`\`yaml\n${cells}\n\`\`\`\n`);
  return name;
}

const short =
  "data: {grammar: {}}\nmodel: {model_type: llama, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2}\ntrain: {max_steps: 30, per_device_train_batch_size: 2, save_steps: 10}";
const long = short.replace("30", "100000");

async function onlyRun() {
  const runs = await listRuns(join(workspace, ".lathe", "runs"));
  expect(runs.length).toBe(1);
  return runs[0]!;
}

async function waitForRun() {
  for (let attempt = 0; attempt < 500; attempt++) {
    const [run] = await listRuns(join(workspace, ".lathe", "runs"));
    if (run?.record?.state === "running") return run;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  throw new Error("No run got going.");
}

describe("lathe run", () => {
  it("follows a run to its end, and prints its record with a plot of its loss", async () => {
    const { status, output, errors } = await lathe("run", write("first.lathe.md", short));
    expect({ status, errors }).toMatchObject({ status: 0 });
    expect(errors).toMatch(/^first: .*\.lathe.runs.first-\d{8}-\d{6}-[0-9a-f]{4}\n/);
    expect(errors).toMatch(/\n✓ first {2}eval loss 0\.8303 {2}train loss 0\.7303 {2}\d+ s\n$/);
    expect(output).toMatch(/state +done/);
    expect(output).toMatch(/train\/loss +0\.7303 +0\.7303 +4\n/);
    expect(output).toContain("┤");
    expect(output).not.toContain("\u001b");
  });

  it("prints exactly one JSON document with --json", async () => {
    const finished = await lathe(
      "run",
      write("first.lathe.md", short),
      "--json",
      "--seed",
      "7",
      "--set",
      "train.max_steps=12",
    );
    const { runs } = json<{ runs: { id: string; state: string; folder: string; plan: { seed: number } }[] }>(
      finished,
    );
    expect(runs).toMatchObject([{ state: "done", plan: { seed: 7 }, progress: { steps: 12 } }]);
    expect(finished.status).toBe(0);
    expect(json<{ id: string }[]>(await lathe("runs", "--json"))).toMatchObject([
      { id: runs[0]!.id, state: "done" },
    ]);
    expect(json<{ id: string }>(await lathe("show", "last", "--json"))).toMatchObject({
      id: runs[0]!.id,
      metrics: { bad: 0 },
    });
  });

  it("stores runs where `lathe runs` and a window find them, in a folder without a repository or package", async () => {
    rmSync(join(workspace, ".lathe"), { recursive: true });
    mkdirSync(join(workspace, "deep", "er"), { recursive: true });
    const file = write(join("deep", "er", "first.lathe.md"), short);
    expect((await lathe("run", file)).status).toBe(0);
    const { folder } = await onlyRun();
    expect(json<{ folder: string }[]>(await lathe("runs", "--json"))).toMatchObject([{ folder }]);
    const warned: string[] = [];
    using index = new LiveRunIndex((message) => warned.push(message));
    await index.open({ folders: [workspace], experiments: [join(workspace, file)], trusted: true });
    expect(index.summaries()).toMatchObject([{ folder, experiment: join(workspace, file) }]);
    expect(warned).toEqual([]);
  });

  it("runs all variants one after the other and compares them", async () => {
    const file = write("both.lathe.md", `${short}\nvariants: {small: {}, large: {train: {max_steps: 40}}}`);
    const { status, output, errors } = await lathe("run", file);
    expect(status).toBe(0);
    expect(errors).toMatch(/^2 runs in .*\.lathe.runs\n/);
    expect(errors).toMatch(/^✓ 2\/2 large {2}eval loss 0\.7325 {2}train loss 0\.6325 {2}\d+ s$/m);
    expect(output).toMatch(/^run +state +eval loss +train loss +time$/m);
    expect(output).toMatch(/small +done +0\.8303 +0\.7303/);
    expect(output).toMatch(/large +done +0\.7325 +0\.6325/);
    const one = await lathe("run", file, "--variant", "large", "--json");
    expect(json<{ runs: unknown[] }>(one).runs.length).toBe(1);
  });

  it("draws a progress bar on a terminal and restores the cursor", async (test) => {
    const file = write("first.lathe.md", short);
    const command = `"${process.execPath}" "${cli}" run ${file}`;
    const env = { ...process.env, LATHE_RUN_PROCESS: script, TERM: "xterm", NO_COLOR: "" };
    const child = spawn("script", ["-qec", command, "/dev/null"], {
      cwd: workspace,
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
    let screen = "";
    child.stdout.on("data", (chunk: Buffer) => (screen += chunk.toString()));
    const status = await new Promise((resolve) => {
      child.on("error", () => resolve("absent"));
      child.on("close", resolve);
    });
    if (status === "absent" || process.platform !== "linux")
      return test.skip("needs util-linux' `script` for a terminal");
    expect(status).toBe(0);
    expect(screen).toMatch(/train .*█.* 30\/30 {2}eval loss 0\.8303/);
    expect(screen).toContain("\u001b[32mdone\u001b[39m");
    // The cursor is never hidden, so a killed command cannot leave it so.
    expect(screen).not.toContain("\u001b[?25l");
  });

  it("creates its folder at the path of --out", async () => {
    const { status } = await lathe("run", write("first.lathe.md", short), "--out", "elsewhere");
    expect(status).toBe(0);
    expect((await listRuns(join(workspace, "elsewhere"))).length).toBe(1);
    expect(existsSync(join(workspace, ".lathe", "runs"))).toBe(false);
    expect(json<unknown[]>(await lathe("runs", "--out", "elsewhere", "--json")).length).toBe(1);
  });

  it("exits with status 1 and the reason when the run fails", async () => {
    const file = write("bad.lathe.md", short.replace("save_steps: 10", "max_grad_norm: 0"));
    const { status, output, errors } = await lathe("run", file, "--json");
    expect(status).toBe(1);
    expect(errors).toContain("error: The loss is NaN at step 3.");
    expect(JSON.parse(output)).toMatchObject({ runs: [{ state: "failed", failure: { code: "diverged" } }] });
  });

  it.skipIf(process.platform === "win32")(
    "stops with a checkpoint on Ctrl-C, and resumes to the end",
    async () => {
      const { child, finished } = start("run", write("long.lathe.md", long));
      const { folder } = await waitForRun();
      await pastStep(folder, 3);
      child.kill("SIGINT");
      const { status, errors, output } = await finished;
      expect(status).toBe(3);
      expect(errors).toContain("Press Ctrl-C again to detach");
      expect(errors).toMatch(/lathe resume long-/);
      expect(output).toMatch(/state +stopped/);
      const stopped = await ended(folder);
      expect(existsSync(join(folder, "checkpoints", `step-${stopped.progress!.step}.json`))).toBe(true);
      const { folder: found } = await onlyRun();
      expect(found).toBe(folder);
      const resumed = start("resume", "last", "--json");
      await inState(folder, "running");
      expect((await lathe("stop", "last")).output).toMatch(/is stopped\./);
      expect((await resumed.finished).status).toBe(3);
    },
  );

  it.skipIf(process.platform === "win32")(
    "does not stop the run on a second Ctrl-C, or when its terminal is closed",
    async () => {
      const first = start("run", write("long.lathe.md", long.replace("size: 2", "size: 3000")));
      const { folder, id } = await waitForRun();
      first.child.kill("SIGINT");
      await expect.poll(first.errors).toContain("Stopping");
      first.child.kill("SIGINT");
      const { status, errors } = await first.finished;
      expect(status).toBe(0);
      expect(errors).toContain(`lathe attach ${id}`);
      expect((await onlyRun()).record?.state).toBe("running");
      const second = start("attach", "last");
      // Whatever step the run has reached by then: following has begun.
      await expect.poll(second.errors).toMatch(/preparing|\d+\/\d+/);
      second.child.kill("SIGKILL");
      await second.finished;
      expect((await onlyRun()).record?.state).toBe("running");
      expect((await ended(folder)).state).toBe("stopped");
    },
  );
});

describe("the other commands", () => {
  it("pause, continue, show and change the queue, stop", async () => {
    const file = write("long.lathe.md", `${long}\nvariants: {a: {}, b: {}, c: {}}`);
    const { runs } = json<{ runs: { id: string; folder: string }[] }>(
      await lathe("run", file, "--detach", "--json"),
    );
    const [a, b, c] = runs as [
      { id: string; folder: string },
      { id: string; folder: string },
      { id: string; folder: string },
    ];
    await inState(a.folder, "running");
    await inState(c.folder, "queued");
    expect((await lathe("pause", "long-a")).output).toContain("pauses");
    await inState(a.folder, "paused");
    expect((await lathe("continue", a.id)).status).toBe(0);
    await inState(a.folder, "running");
    await expect.poll(async () => json<unknown[]>(await lathe("queue", "--json")).length).toBe(3);
    const moved = json<{ id: string }[]>(await lathe("queue", "move", "long-c", "--first", "--json"));
    expect(moved.map(({ id }) => id)).toEqual([a.id, c.id, b.id]);
    expect((await lathe("queue")).output).toMatch(/cpu|auto/);
    for (const { id } of [b, c, a]) expect((await lathe("stop", id)).status).toBe(0);
    const list = await lathe("runs");
    expect(list.output.match(/stopped/g)?.length).toBe(3);
    const shown = await lathe("show", a.folder);
    expect(shown.output).toMatch(/long\.lathe\.md, variant a/);
    expect(shown.status).toBe(0);
  });

  it("kill a run that does not respond, which then shows as interrupted", async () => {
    const file = write("long.lathe.md", long);
    await lathe("run", file, "--detach");
    await waitForRun();
    expect((await lathe("stop", "last", "--kill")).output).toMatch(/interrupted/);
    expect((await lathe("runs")).output).toMatch(/interrupted/);
  });
});

describe("bad input", () => {
  const cases: readonly (readonly [what: string, args: readonly string[], message: RegExp])[] = [
    ["an unknown command", ["explode"], /unknown command 'explode'/],
    ["an unknown option", ["run", "good.lathe.md", "--fast"], /unknown option '--fast'/],
    ["a missing argument", ["run"], /Name an experiment to run, such as/],
    ["too many arguments", ["runs", "all"], /too many arguments/],
    ["an invalid seed", ["run", "good.lathe.md", "--seed", "-1"], /whole number/],
    [
      "a missing file",
      ["run", "absent.lathe.md"],
      /^error: There is no experiment absent\.lathe\.md\. Check the path\.$/m,
    ],
    ["a folder", ["run", "."], /is a folder/],
    ["an unknown variant", ["run", "good.lathe.md", "--variant", "x"], /variant/],
    ["an unknown key", ["run", "bad.lathe.md"], /^bad\.lathe\.md:5:9: .*learning_rat/m],
    ["a setting without a value", ["run", "good.lathe.md", "--set", "train"], /--set train/],
    ["an unknown device", ["run", "good.lathe.md", "--device", "abacus"], /abacus/],
    ["an unknown run", ["show", "nothing"], /There are no runs/],
    ["an unknown queue command", ["queue", "jump"], /lathe queue move RUN/],
    ["an unknown queued run", ["queue", "move", "x", "--first"], /not among the queued runs/],
  ];

  it.each(cases)("%s is reported with status 2, and nothing is started", async (_, args, message) => {
    write("good.lathe.md", short);
    write(
      "bad.lathe.md",
      "model: {model_type: llama, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2}\ntrain: {learning_rat: 1, max_steps: -3}",
    );
    const { status, output, errors } = await lathe(...args);
    expect(errors).toMatch(message);
    expect({ status, output }).toEqual({ status: 2, output: "" });
    const inJson = await lathe(...args, "--json");
    expect(inJson.status).toBe(2);
    expect(json<{ error: { code: string; message: string } }>(inJson).error.message).toBeTruthy();
    expect(existsSync(join(workspace, ".lathe", "runs"))).toBe(false);
  });

  it("reports all faults of a file at once, one line each, with paths relative to the working directory", async () => {
    mkdirSync(join(workspace, "deep"));
    const file = write(
      join("deep", "bad.lathe.md"),
      "model: {model_type: llama, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2}\ntrain: {learning_rat: 1, max_steps: -3}",
    );
    const { errors, status } = await lathe("run", file);
    expect(status).toBe(2);
    const lines = errors.trim().split("\n");
    expect(lines.length).toBe(2);
    for (const line of lines) expect(line).toMatch(/^deep\/bad\.lathe\.md:5:\d+: /);
  });

  it("refuses a run with a broken record, and names it", async () => {
    await lathe("run", write("first.lathe.md", short));
    const { folder } = await onlyRun();
    writeFileSync(join(folder, "run.json"), readFileSync(join(folder, "run.json"), "utf8").slice(0, 50));
    const { status, errors } = await lathe("show", "last");
    expect(status).toBe(2);
    expect(errors).toContain("run.json");
    const list = await lathe("runs");
    expect(list.status).toBe(0);
    expect(list.output).toContain("corrupt");
  });

  it("prints help on request with status 0", async () => {
    const { status, output } = await lathe("--help");
    expect(status).toBe(0);
    for (const name of ["run", "resume", "stop", "pause", "continue", "runs", "show", "attach", "queue"])
      expect(output).toContain(`  ${name} `);
    expect((await lathe("--version")).output).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await lathe()).status).toBe(2);
  });
});

// eslint-disable-next-line no-control-regex -- Terminals interpret these characters.
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

describe("text of a run", () => {
  it("never controls the terminal, and reaches programs unchanged", async () => {
    const nasty = "a\u001b]0;t\u0007\u001b[2J\u009b31m\u202e\u0008b";
    const { path } = RunFolder.create(
      join(workspace, ".lathe", "runs"),
      { ...loopPlan({}, nasty), variant: nasty, experiment: nasty },
      {
        state: "failed",
        failure: { code: "diverged", message: nasty },
        notices: [nasty],
        summary: { [nasty]: { last: 1, min: 1, max: 1 } },
      },
    );
    const record = JSON.parse(readFileSync(join(path, "run.json"), "utf8")) as object;
    writeFileSync(join(path, "run.json"), JSON.stringify({ ...record, id: nasty }));
    writeFileSync(join(path, "metrics.jsonl"), `${JSON.stringify({ step: 1, seconds: 1, [nasty]: 1 })}\n`);
    for (const command of ["runs", "show", "attach", "stop", "pause", "continue", "resume", "export"]) {
      const named = command === "runs" ? [] : [path];
      const given = command === "export" ? ["--format", "csv", "--out", join(workspace, "history.csv")] : [];
      for (const json of [[], ["--json"]]) {
        const { output, errors } = await lathe(command, ...named, ...given, ...json);
        expect(output + errors, command).not.toBe("");
        expect(output + errors, command).not.toMatch(obeyed);
      }
    }
    expect(json<object>(await lathe("show", path, "--json"))).toMatchObject({
      name: nasty,
      notices: [nasty],
    });
  }, 120_000);
});
