"""Archives, manifests and local exports of built layers."""
