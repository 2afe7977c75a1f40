"""Table IV and Figures 3 to 6: real and generated images for users, made, judged and kept."""
