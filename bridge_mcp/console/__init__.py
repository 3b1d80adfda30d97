"""The web console: pages for people, made on the server. A face: it calls `Bridge`, and reads no store itself."""
