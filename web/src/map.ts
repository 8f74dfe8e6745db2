/** What the map page loads, and no other page. */
import "maplibre-gl/dist/maplibre-gl.css";
import "../styles/map.css";
import { setWorkerUrl } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import "./copy";
import "./slider";
import "./hansa_map";

// The worker is a file of our own origin: the Content-Security-Policy allows no other.
setWorkerUrl(workerUrl);
