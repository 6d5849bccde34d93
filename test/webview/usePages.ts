/** A workspace and its pages, for the tests of the calling file or group. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { noChromium, PageHarness } from "./pageHarness";

/** The folder is there at once, and removed after the tests. */
export function useWorkspace(): string {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-pages-")));
  afterAll(() => rmSync(workspace, { recursive: true, force: true }));
  return workspace;
}

/** Without Chromium, nothing is prepared and the tests are skipped with the reason. */
export function usePages(
  workspace: string,
  prepare: () => unknown = () => undefined,
  experiments: readonly string[] = [],
): { readonly harness: PageHarness } {
  let harness: PageHarness | undefined;
  beforeEach(({ skip }) => skip(noChromium !== undefined, noChromium));
  beforeAll(async () => {
    if (noChromium !== undefined) return;
    await prepare();
    harness = await PageHarness.open(workspace, experiments);
  });
  afterAll(() => harness?.close());
  return {
    get harness(): PageHarness {
      return harness!;
    },
  };
}
