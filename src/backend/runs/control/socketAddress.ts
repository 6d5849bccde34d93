/** A new address for a control socket, reachable only by its user and short enough for every system. */
import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { basename, dirname, join } from "node:path";

/** macOS allows 104 bytes with the closing zero, Linux 108. */
export const maxSocketPathBytes = 103;

const nameBytes = 8;

/**
 * The folder for temporary files, not XDG_RUNTIME_DIR, which is removed when its user logs out while the run
 * continues.
 */
function getSocketFolder(base: string): string {
  const folder = join(base, `lathe-${userInfo().uid}`);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") throw thrown;
  }
  // Others may write to the folder for temporary files, so an existing folder is verified.
  const stats = lstatSync(folder);
  const isPrivate = stats.isDirectory() && stats.uid === userInfo().uid && (stats.mode & 0o077) === 0;
  return isPrivate ? folder : mkdtempSync(join(base, "lathe-"));
}

export function createSocketAddress(): string {
  const name = randomBytes(nameBytes).toString("hex");
  if (process.platform === "win32") return `\\\\.\\pipe\\lathe-${name}`;
  const path = join(getSocketFolder(tmpdir()), name);
  return Buffer.byteLength(path) <= maxSocketPathBytes ? path : join(getSocketFolder("/tmp"), name);
}

/** Whether a record names a valid Lathe socket: a record may come from anywhere, and so may the address in it. */
export function isSocketAddress(address: string): boolean {
  if (process.platform === "win32") return /^\\\\\.\\pipe\\lathe-[0-9a-f]{16}$/.test(address);
  const isName = /^[0-9a-f]{16}$/.test(basename(address)) && basename(dirname(address)).startsWith("lathe-");
  const stats = isName ? lstatSync(address, { throwIfNoEntry: false }) : undefined;
  return isName && (stats === undefined || (stats.isSocket() && stats.uid === userInfo().uid));
}
