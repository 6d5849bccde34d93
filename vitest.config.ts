import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // ONNX Runtime keeps threads and GPU devices per process, so every test file gets a process of its own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // What another process does may take a while on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    env: { ORT_DISABLE_TELEMETRY: "1" },
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          include: ["test/**/*.test.ts"],
          exclude: ["test/vscode/**", "test/long/**"],
          setupFiles: ["test/support/setup.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "long",
          include: [
            "test/long/**/*.test.ts",
            "test/webview/*{w,W}alk.test.ts",
            "test/contracts/methods.test.ts",
          ],
          env: { LATHE_LONG: "1" },
          testTimeout: 3_600_000,
          setupFiles: ["test/support/setup.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "vscode",
          include: ["test/vscode/*.test.ts"],
          // Each holds a server, an extension host and a browser: two at a time would only wait for one another.
          fileParallelism: false,
          // A busy window may miss a click. The report counts second attempts.
          retry: 1,
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
