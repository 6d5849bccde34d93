/** A fresh address for a control socket that only its own user can reach, short enough for every system. */
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { basename, dirname, join } from "node:path";

/** macOS allows 104 bytes with the closing zero, Linux 108. */
export const maxSocketPathBytes = 103;

const nameBytes = 8;

/**
 * The folder for temporary files, not XDG_RUNTIME_DIR: that one is removed when its user logs out, which a run outlives.
 */
function socketFolder(base: string): string {
  const folder = join(base, `lathe-${userInfo().uid}`);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  }
  // Others may write in the folder for temporary files, so one that is already there has to prove itself.
  const found = lstatSync(folder);
  const ours = found.isDirectory() && found.uid === userInfo().uid && (found.mode & 0o077) === 0;
  return ours ? folder : mkdtempSync(join(base, "lathe-"));
}

export function newSocketAddress(): string {
  const name = randomBytes(nameBytes).toString("hex");
  if (process.platform === "win32") return `\\\\.\\pipe\\lathe-${name}`;
  const path = join(socketFolder(tmpdir()), name);
  return Buffer.byteLength(path) <= maxSocketPathBytes ? path : join(socketFolder("/tmp"), name);
}

/** Whether a record names a socket that could be one of ours: a record may come from anywhere, and so may what it names. */
export function isSocketAddress(address: string): boolean {
  if (process.platform === "win32") return /^\\\\\.\\pipe\\lathe-[0-9a-f]{16}$/.test(address);
  const named = /^[0-9a-f]{16}$/.test(basename(address)) && basename(dirname(address)).startsWith("lathe-");
  const found = named ? lstatSync(address, { throwIfNoEntry: false }) : undefined;
  return named && (found === undefined || (found.isSocket() && found.uid === userInfo().uid));
}
