/** What a metric works with when the command line asks: an engine, a way to stop, progress on standard error. */
import { SingleBar } from "cli-progress";
import type { Engine } from "../backend/engine/engine";
import { openEngine } from "../backend/engine/onnxRuntime";
import type { EvaluationLab } from "../backend/evaluation/metric";
import { WorkbenchError } from "../protocol/errors";
import { type DeviceName, deviceNames } from "../schema/experiment";
import type { OptionSpec } from "./command";
import { plainLine, type Terminal } from "./terminal";

export const deviceOption: OptionSpec = ["--device <name>", deviceNames.join(", ")];

export interface OpenLab extends EvaluationLab, AsyncDisposable {
  readonly engine: Engine;
}

export async function openLab(
  { device = "auto", seed = 0 }: { readonly device?: string | undefined; readonly seed?: number | undefined },
  terminal: Terminal,
): Promise<OpenLab> {
  if (!(deviceNames as readonly string[]).includes(device))
    throw new WorkbenchError(
      "invalid-input",
      `Unknown device ${device}. Allowed: ${deviceNames.join(", ")}.`,
      {
        allowed: deviceNames,
      },
    );
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once("SIGINT", stop);
  try {
    const engine = await openEngine(device as DeviceName);
    const { name, description, reason, notices } = engine.device;
    // A notice gives the reason in full.
    const why = notices.length === 0 ? `: ${reason}` : "";
    terminal.say(plainLine(`Device ${name} (${description})${why}.`));
    for (const notice of notices) terminal.say(plainLine(notice));
    const bar = progressBar(terminal);
    return {
      engine,
      seed,
      signal: stopping.signal,
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

const plainMilliseconds = 5000;

/** A progress bar if lines can be redrawn, otherwise a line every few seconds. */
function progressBar(terminal: Terminal) {
  let shownAt = performance.now();
  let bar: SingleBar | undefined;
  return {
    show: (done: number, total: number, what: string): void => {
      if (!terminal.interactive) {
        if (performance.now() - shownAt < plainMilliseconds) return;
        shownAt = performance.now();
        terminal.say(`${done}/${total} ${what}`);
        return;
      }
      if (bar === undefined) {
        bar = new SingleBar({
          stream: terminal.notices,
          hideCursor: true,
          clearOnComplete: true,
          linewrap: false,
          format: `{bar} {value}/{total} ${what}  {eta_formatted} left`,
        });
        bar.start(total, done);
      }
      bar.update(done);
    },
    end: (): void => bar?.stop(),
  };
}
