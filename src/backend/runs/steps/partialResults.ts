/**
 * The unfinished result of a step, for a run that is interrupted: a folder with one file of tensors for each stretch of
 * parts. The names of the files show what they are a part of, which parts they contain and the hash of their content. The
 * step removes the folder once it is done.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { PartialResult, PartialResults } from "../../compression/method";
import { type Checkpoint, checkTensors, computeFingerprint } from "../../checkpoints/checkpoint";
import { LazyTensor } from "../../checkpoints/lazyTensor";
import {
  computeStoredBytes,
  type HostTensor,
  type HostTensors,
  readLazily,
  writeSafetensors,
} from "../../checkpoints/safetensors";
import { toCanonicalJson } from "../../experiment/stepKey";
import { hashModel } from "./workshop";

/** In the folder of a step. */
export const partialFolderName = "partial";

export interface PartialOptions {
  /** Everything that the result follows from, besides the model before and the parts. */
  readonly key: unknown;
  readonly log: (message: string) => void;
  /** The least time between two files. */
  readonly seconds?: number;
  /** Writing takes at most this share of the time, unless memory needs it. */
  readonly share?: number;
  /** Results of more bytes are written at any time, so that memory holds only those of a part of a large model. */
  readonly bytes?: number;
}

/** Bytes of results that memory holds before they are written. */
export const unwrittenBytes = 2 ** 27;

/** The model after a stretch of parts, without the tensors that earlier files or the model before have. */
const metadataSchema = z.object({
  representations: z.record(
    z.string(),
    z.object({ type: z.string(), options: z.record(z.string(), z.unknown()) }),
  ),
  /** All tensors of the model, in their order. */
  names: z.array(z.string()),
});

interface Part {
  readonly name: string;
  readonly hash: string;
  readonly from: number;
  readonly to: number;
  readonly sha256: string;
}

/** The caller is the only one that writes to the folder. */
export function openPartialResults(
  folder: string,
  { key, log, seconds = 1, share = 0.05, bytes = unwrittenBytes }: PartialOptions,
): PartialResults {
  let patience = seconds;
  let since = performance.now();
  /** Set once writing has failed. */
  let isBroken = false;
  let hashed: { readonly before: Checkpoint; readonly parts: string; readonly hash: string } | undefined;
  /** What is on the disk. */
  let written: { readonly hash: string; readonly done: number; readonly tensors: HostTensors } | undefined;

  return {
    load(before, parts) {
      if (!existsSync(folder)) return undefined;
      const hash = identify(before, parts);
      const result = readParts(hash, before);
      if (result === undefined) return undefined;
      written = { hash, done: result.done, tensors: result.model.tensors };
      log(`Continues the interrupted attempt: ${result.done} of ${parts.length} parts are done.`);
      return result;
    },

    save(before, parts, { model, done }) {
      if (isBroken) return model;
      const hash = identify(before, parts);
      const last = written?.hash === hash ? written : { hash, done: 0, tensors: before.tensors };
      const changed = new Map([...model.tensors].filter(([name, each]) => each !== last.tensors.get(name)));
      const isDue = performance.now() - since >= 1000 * patience;
      if (!isDue && sumBytes(changed.values()) < bytes) return model;
      const begun = performance.now();
      let result = model;
      try {
        const path = writePart({ hash, from: last.done, to: done }, model, changed);
        const stored = readLazily(path).tensors;
        const tensors = new Map(
          [...model.tensors].map(([name, each]) => {
            const read = changed.has(name) ? stored.get(name) : undefined;
            return [name, read instanceof LazyTensor ? read : each];
          }),
        );
        result = { ...model, tensors };
        written = { hash, done, tensors };
      } catch (thrown) {
        isBroken = true;
        log(
          `The unfinished result cannot be written, so this step restarts if it is interrupted: ${(thrown as Error).message}`,
        );
      }
      since = performance.now();
      patience = Math.max(seconds, (since - begun) / 1000 / share);
      return result;
    },
  };

  /** Returns the path of the complete file. Files that neither it nor an earlier one continues are removed. */
  function writePart(
    { hash, from, to }: Pick<Part, "hash" | "from" | "to">,
    { shape, tensors }: Checkpoint,
    changed: HostTensors,
  ): string {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      const part = parsePart(name);
      if (part?.hash !== hash || part.to > from) rmSync(join(folder, name), { recursive: true, force: true });
    }
    const draft = join(folder, "draft.tmp");
    const metadata: z.input<typeof metadataSchema> = {
      representations: shape.representations,
      names: [...tensors.keys()],
    };
    writeSafetensors(draft, changed, { model: JSON.stringify(metadata) });
    const path = join(folder, `${hash}-${from}-${to}-${computeFingerprint(draft, true).sha256}.safetensors`);
    renameSync(draft, path);
    return path;
  }

  /** Reads the files one after the other, up to the first that is missing or damaged. */
  function readParts(hash: string, before: Checkpoint): PartialResult | undefined {
    const parts = readdirSync(folder).flatMap((name) => parsePart(name) ?? []);
    let result: PartialResult | undefined;
    for (;;) {
      const done = result?.done ?? 0;
      const next = parts.find((part) => part.hash === hash && part.from === done && part.to > done);
      if (next === undefined) return result;
      try {
        result = { model: readPart(next, before, result?.model ?? before), done: next.to };
      } catch (thrown) {
        log(
          `The unfinished result cannot be used${done === 0 ? "" : ` from part ${done + 1} on`}, so it is computed again: ${(thrown as Error).message}`,
        );
        return result;
      }
    }
  }

  function readPart({ name, sha256 }: Part, before: Checkpoint, { tensors: last }: Checkpoint): Checkpoint {
    const path = join(folder, name);
    if (computeFingerprint(path, false).sha256 !== sha256)
      throw new WorkbenchError("corrupt", `${path} has changed since it was written.`);
    const { tensors: stored, metadata } = readLazily(path);
    const { names, representations } = metadataSchema.parse(JSON.parse(metadata["model"] ?? "null"));
    const shape = { ...before.shape, representations };
    const tensors = new Map(
      names.map((each): [string, HostTensor] => {
        const tensor = stored.get(each) ?? last.get(each);
        if (tensor === undefined) throw new WorkbenchError("corrupt", `${path} has no tensor ${each}.`);
        return [each, tensor];
      }),
    );
    checkTensors(path, shape, tensors);
    return { shape, tensors };
  }

  /** The weights are read once for each model. */
  function identify(before: Checkpoint, names: readonly string[]): string {
    const parts = names.join("\n");
    if (hashed?.before !== before || hashed.parts !== parts)
      hashed = {
        before,
        parts,
        hash: createHash("sha256")
          .update(toCanonicalJson([key, parts]))
          .update(hashModel(before))
          .digest("hex")
          .slice(0, 32),
      };
    return hashed.hash;
  }
}

function parsePart(name: string): Part | undefined {
  const [, hash, from, to, sha256] =
    /^([0-9a-f]{32})-(\d+)-(\d+)-([0-9a-f]{64})\.safetensors$/.exec(name) ?? [];
  return hash === undefined ? undefined : { name, hash, from: Number(from), to: Number(to), sha256: sha256! };
}

function sumBytes(tensors: Iterable<HostTensor>): number {
  let sum = 0;
  for (const tensor of tensors) sum += computeStoredBytes(tensor, "float32");
  return sum;
}
