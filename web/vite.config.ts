import { defineConfig } from "vite";

// One entry per kind of page: every page loads `app`; the others load only where they are used.
export default defineConfig({
  base: "/static/dist/",
  publicDir: "public",
  worker: { format: "es" },
  build: {
    outDir: "../src/hansa/web/static/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: true,
    chunkSizeWarningLimit: 1500,
    rollupOptions: {
      input: {
        app: "src/app.ts",
        flow: "src/flow.ts",
        chart: "src/chart.ts",
        map: "src/map.ts",
        area: "src/area.ts",
      },
    },
  },
});
