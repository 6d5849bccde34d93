import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Those run inside a VS Code, which `npm test` starts after these.
    exclude: ["test/vscode/**"],
    // ONNX Runtime keeps threads and GPU devices per process, so every test file gets a process of its own.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    env: { ORT_DISABLE_TELEMETRY: "1" },
  },
});
