/** Common setup of every test file. */
import { resolve } from "node:path";
import { afterAll } from "vitest";
import { removeTemporaryFolders } from "./temporary";

afterAll(removeTemporaryFolders);

// Programs that tests bundle are in folders of their own, far from the Python package.
process.env.LATHE_PYTHON_PACKAGE ??= resolve("python");
