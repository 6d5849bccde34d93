/** The load of graphics cards, from a program in the role of nvidia-smi: a real process on PATH. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SystemMetrics, type SystemReading } from "../../../../src/backend/runs/metrics/systemMetrics";
import { readMetrics } from "../../../../src/backend/runs/metrics/metricsReader";
import { startRun } from "../../../../src/backend/runs/process/startRun";
import { createTemporaryFolder } from "../../../support/temporary";
import { bundleLoop, ended, loopPlan, newWorkspace } from "../workbench";

describe.skipIf(process.platform === "win32")("the load of graphics cards", () => {
  const path = process.env.PATH ?? "";
  let folder: string;
  beforeEach(() => {
    folder = createTemporaryFolder();
    process.env.PATH = [folder, path].join(delimiter);
  });
  afterEach(() => {
    process.env.PATH = path;
  });

  function installCardProgram(script: string): void {
    const program = join(folder, "nvidia-smi");
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
  }

  const selectCards = (readings: readonly SystemReading[]) =>
    readings.map((reading) => Object.entries(reading).filter(([name]) => name.startsWith("gpu/")));

  it("is read again and again, in the units of Lathe", async () => {
    installCardProgram(`echo "$@" > "${folder}/asked"\necho "87, 1024, 610.5, 64"\necho "3, 512, [N/A], 31"`);
    const readings: SystemReading[] = [];
    using _metrics = new SystemMetrics((reading) => readings.push(reading), 20);
    await vi.waitFor(() => expect(readings.length).toBeGreaterThan(1), 20_000);
    expect(selectCards(readings)[1]).toEqual([
      ["gpu/0/utilization", 87],
      ["gpu/0/memory_gb", 1.073741824],
      ["gpu/0/power", 610.5],
      ["gpu/0/temperature", 64],
      ["gpu/1/utilization", 3],
      ["gpu/1/memory_gb", 0.536870912],
      ["gpu/1/temperature", 31],
    ]);
    expect(readFileSync(join(folder, "asked"), "utf8").trim()).toBe(
      "--query-gpu=utilization.gpu,memory.used,power.draw,temperature.gpu --format=csv,noheader,nounits",
    );
  });

  it("is in the metrics and the summary of a real run", async () => {
    installCardProgram('echo "12, 1024, 71.25, 36"');
    const script = await bundleLoop();
    const { folder: run } = await startRun(loopPlan({ milliseconds: 50 }), {
      workspace: newWorkspace(),
      script,
    });
    expect((await ended(run)).summary).toMatchObject({
      "gpu/0/utilization": { last: 12 },
      "gpu/0/memory_gb": { last: 1.073741824 },
      "gpu/0/power": { last: 71.25 },
    });
    const { lines } = await readMetrics(join(run, "metrics.jsonl"));
    expect(lines.filter((line) => line["gpu/0/power"] === 71.25).length).toBeGreaterThan(0);
  });

  it("is not asked for any more after a driver has failed three times in a row", async () => {
    installCardProgram(`echo x >> "${folder}/asked"\nexit 9`);
    const readings: SystemReading[] = [];
    using _metrics = new SystemMetrics((reading) => readings.push(reading), 20);
    await vi.waitFor(() => expect(readings.length).toBeGreaterThan(6), 20_000);
    expect(selectCards(readings).flat()).toEqual([]);
    expect(existsSync(join(folder, "asked"))).toBe(true);
    expect(readFileSync(join(folder, "asked"), "utf8")).toBe("x\nx\nx\n");
  });
});
