import { defineConfig } from "vite";

// Bundles the tests of pure functions for `node --test`; no test framework to install.
export default defineConfig({
  build: {
    ssr: "test/all.test.ts",
    outDir: "build",
    emptyOutDir: true,
    rollupOptions: { output: { entryFileNames: "[name].mjs" } },
  },
});
