"""Deployments: folders on target machines that hold the applications of a release."""
