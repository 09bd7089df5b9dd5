"""One module a family of requests. Each function takes (broker, request, call) and returns the response."""
