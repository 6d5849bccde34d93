import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // ONNX Runtime keeps threads and GPU devices per process, so every test file gets a process of its own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What another process does may take a while on a busy machine.
    expect: { poll: { timeout: 30_000 } },
    env: { ORT_DISABLE_TELEMETRY: "1" },
  },
});
