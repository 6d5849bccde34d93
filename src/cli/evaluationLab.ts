/** What a metric works with when the command line asks: an engine, a way to stop, progress on standard error. */
import type { Engine } from "../backend/engine/engine";
import { openEngine } from "../backend/engine/open";
import type { EvaluationLab } from "../backend/evaluation/metric";
import { WorkbenchError } from "../protocol/errors";
import { formatDuration } from "../protocol/quantities";
import { Pace } from "../statistics/pace";
import { type DeviceName, deviceNames } from "../schema/device";
import type { OptionSpec } from "./command";
import { drawBar } from "./progressBar";
import { toPlainLine, type Terminal } from "./terminal";

export const deviceOption: OptionSpec = ["--device <name>", deviceNames.join(", ")];

/** Throws if there is no device with this name. */
export function parseDevice(device: string): DeviceName {
  if (!(deviceNames as readonly string[]).includes(device))
    throw new WorkbenchError(
      "invalid-input",
      `Unknown device ${device}. Allowed: ${deviceNames.join(", ")}.`,
      {
        allowed: deviceNames,
      },
    );
  return device as DeviceName;
}

export interface OpenLab extends EvaluationLab, AsyncDisposable {
  readonly engine: Engine;
}

export async function openLab(
  { device = "auto", seed = 0 }: { readonly device?: string | undefined; readonly seed?: number | undefined },
  terminal: Terminal,
): Promise<OpenLab> {
  const deviceName = parseDevice(device);
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGINT", stop);
  try {
    const engine = await openEngine(deviceName);
    const { name, description, reason, notices } = engine.device;
    // A notice gives the reason in full.
    const why = notices.length === 0 ? `: ${reason}` : "";
    terminal.log(toPlainLine(`Device ${name} (${description})${why}.`));
    for (const notice of notices) terminal.log(toPlainLine(notice));
    const bar = createProgressReporter(terminal);
    return {
      engine,
      seed,
      signal: controller.signal,
      progress: bar.show,
      async [Symbol.asyncDispose]() {
        bar.end();
        process.off("SIGINT", stop);
        await engine[Symbol.asyncDispose]();
      },
    };
  } catch (thrown) {
    process.off("SIGINT", stop);
    throw thrown;
  }
}

const plainInterval = 5000;

/** A bar if lines can be redrawn, otherwise a line every few seconds; both with the time that is left. */
function createProgressReporter(terminal: Terminal) {
  const pace = new Pace();
  let lastShownAt = performance.now();
  return {
    show: (done: number, total: number, label: string): void => {
      const left = pace.estimate(done, total, label);
      const time = left === undefined || done >= total ? "" : `  ${formatDuration(left)} left`;
      if (terminal.interactive) {
        const bar = drawBar(done / total, 20, terminal.noticeColors);
        terminal.showLive(done < total ? [`${bar}  ${done}/${total} ${toPlainLine(label)}${time}`] : []);
        return;
      }
      if (performance.now() - lastShownAt < plainInterval) return;
      lastShownAt = performance.now();
      terminal.log(`${done}/${total} ${toPlainLine(label)}${time}`);
    },
    end: (): void => terminal.showLive([]),
  };
}
